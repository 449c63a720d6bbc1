"""Stories fired over HTTP at a running deployment, and the verdict on it."""
