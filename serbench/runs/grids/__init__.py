"""Many runs in one: expanded from a grid, planned, shared out, survived and resumed."""
