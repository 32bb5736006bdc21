"""The live page: a server on loopback, and what it shows and takes.

access.py     who may look and who may command: token, Origin, Host
files.py      the built page of resource/web
messages.py   what a page may say
presence.py   pages that confirm, hold the keys, or guard autonomy; pure, time is an argument
server.py     HTTP and the websocket, in a thread of its own
state.py      what of the robot's inputs (robot_inputs.py) a page draws
images.py   camera messages as JPEG
requests.py   services that a page may call
journal.py    what happened, in words
"""
