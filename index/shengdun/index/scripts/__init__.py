"""Known scripts: finding the coached wording of one in what somebody says or writes."""
