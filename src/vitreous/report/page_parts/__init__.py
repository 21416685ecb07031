"""What the page is made of: scenes to look at, tables to sort, commands; the template with its style and scripts."""
