"""What every part of qwen_vla_ros uses: embodiments, observations, execution, safety.

Suffixes in capitals are the shape of an array, one letter for each axis:
    D joints of the embodiment; G joints of one group; B those of a base (x, y, yaw)
    C action channels of the embodiment; K action channels of the network, padded
    S state channels of the embodiment
    T points in time: of a chunk of joint positions, of a recording
    H action steps of a chunk (after T), or the height of an image (before W)
    N as many as there are, such as instructions of an episode or samples
    P prompts of a batch; L tokens of a prompt; E channels of a token
    a digit is an axis of that length: ``velocity_6``, ``boxes_P4``
``positions_TD`` is [points in time, joints]; ``image_HWC`` is [height, width, colours].
"""
