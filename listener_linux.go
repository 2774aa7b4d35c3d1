package main

import (
	"net"

	"golang.org/x/sys/unix"
)

// refuseNew makes the kernel refuse connections that are not begun yet, while those that are queued
// stay: it binds the listener to a network interface that does not exist, so that no SYN is for it
// any more (socket(7), SO_BINDTODEVICE; by index since Linux 5.1, for everybody since 5.7). An older
// kernel says no, and then the last connections in the queue may be reset, as by any server.
func refuseNew(socket *net.TCPListener) {
	const nowhere = 1<<31 - 1
	if raw, err := socket.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, nowhere)
		})
	}
}

// queued says whether the kernel holds a connection that nobody has accepted.
func queued(socket *net.TCPListener) bool {
	ready := 0
	if raw, err := socket.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			ready, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) //nolint:gosec // a descriptor is an int
		})
	}
	return ready > 0
}
