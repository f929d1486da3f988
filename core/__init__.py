"""What knows no domain: settings, database, events, outbox, people, access, audit."""
