"""Requests and answers over an open link: signing, waiting, deadlines, and driving a look-up."""
