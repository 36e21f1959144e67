package main

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUnheardConnectionsAreGivenUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := dialPlatform(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	var errGet error
	err = raw.Control(func(fd uintptr) { ms, errGet = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) })
	if err != nil || errGet != nil || time.Duration(ms)*time.Millisecond != unheardFor {
		t.Errorf("%d ms: %v, %v", ms, err, errGet)
	}
}
