//go:build !linux

package main

import "net"

// refuseNew does nothing where the kernel cannot be told.
func refuseNew(*net.TCPListener) {}

// queued says no, since new connections would come for ever.
func queued(*net.TCPListener) bool { return false }
