"""What they learn: releases, lessons, questions, attempts, certification."""
