"""Rules as dated data, and pure functions over them. No figure of a rule stands in code; standard library only."""
