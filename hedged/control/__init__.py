"""Control: who may run, what a latched kill does, how the daemon stops, reloads, and is watched."""
