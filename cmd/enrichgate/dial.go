package main

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unheardFor is how long the platform's network may swallow what is sent. It is
// shorter than the patience with the platform, which may be minutes: a request
// that nobody received is soon made again, over another connection.
const unheardFor = 20 * time.Second

// dialPlatform connects as net/http does, but has the kernel end a connection
// whose peer acknowledges nothing. Keep-alive probes do that only while nothing
// is under way.
func dialPlatform(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 15 * time.Second}
	d.Control = func(_, _ string, c syscall.RawConn) error {
		var err error
		if errControl := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unheardFor.Milliseconds()))
		}); errControl != nil {
			return errControl
		}
		return err
	}
	return d.DialContext(ctx, network, address)
}
