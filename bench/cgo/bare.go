package main

// static unsigned bare(void) { return 1; }
import "C"

func bareCall() { C.bare() }
