"""Who they are: applications, membership and terms, the leaderboard."""
