"""Clips with ground truth: metal and rubber objects, at rest or falling, by Mitsuba 3 and MuJoCo (extra: render)."""
