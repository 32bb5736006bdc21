"""What runs in a benchmark's own environment, which has NumPy, msgpack and websockets, and not us.

``python -m client``, with the folder above as PYTHONPATH. Nothing here may import a
package of ours.
"""
