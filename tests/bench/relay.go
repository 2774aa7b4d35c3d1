package main

import (
	"context"
	"net"
	"time"
)

// relay carries connections to a server that is farther away: everything arrives later by a time. It
// returns its address, and ends with ctx.
func relay(ctx context.Context, target string, late time.Duration) (addr string, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := new(net.Dialer).DialContext(ctx, "tcp", target)
			if err != nil {
				_ = near.Close()
				continue
			}
			context.AfterFunc(ctx, func() {
				_ = near.Close()
				_ = far.Close()
			})
			go carry(far, near, late)
			go carry(near, far, 0) // one way is enough for the whole of it
		}
	}()
	return listener.Addr().String(), nil
}

// carry takes what comes from one end to the other, each piece by so much later.
func carry(to, from net.Conn, late time.Duration) {
	type piece struct {
		octets []byte
		due    time.Time
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			octets := make([]byte, 16<<10)
			n, err := from.Read(octets)
			if n > 0 {
				pieces <- piece{octets[:n], time.Now().Add(late)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		if wait := time.Until(p.due); wait > 0 {
			time.Sleep(wait)
		}
		if _, err := to.Write(p.octets); err != nil {
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
	for range pieces { // until the reader has seen the end
	}
}
