"""Studies: questions over several runs, each answered by a table, a picture and a JSON file."""
