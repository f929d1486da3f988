"""The centre and its spokes: units, roles, programmes, policies, the scoreboard, the action list."""
