"""The default set-up: every server of Lookbook on one machine, without Docker, below one folder."""
