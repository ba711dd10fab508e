"""Helpers that several test modules share: made inputs, stand-ins for servers, and stores."""
