"""Stars that others have measured or modelled: answers of surveys, and of the Besançon model of the Galaxy."""
