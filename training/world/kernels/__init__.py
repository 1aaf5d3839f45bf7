"""The compiled part of the world: distance fields, surfaces, light and the camera.

One flat float64 vector (:mod:`training.world.kernels.params`) holds all that decides one picture. World units: a head
is about two units tall. x points right, y up, z towards the viewer; the floor is at ``params.FLOOR``. Angles are
radians; positive yaw faces the right edge of the picture. Colours inside are linear light, 0 to 1 and above.
"""
