//go:build !linux

package main

import "net"

// refuseNew does nothing where the kernel cannot be told.
func refuseNew(*net.TCPListener) {}
