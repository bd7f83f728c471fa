"""Tables, summaries and checks to look at."""
