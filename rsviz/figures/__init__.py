"""Plain data in; a chart, a report or CSV out; imports evaluation and below."""
