"""What runs inside the sandbox. Its files are mounted there one by one and import nothing of the course."""
