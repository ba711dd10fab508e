"""What subscribers of a run hear, and how it is shown: terminal and notebook."""
