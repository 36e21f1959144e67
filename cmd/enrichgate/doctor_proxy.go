package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
	netproxy "golang.org/x/net/proxy"
)

// proxyFor is the proxy of the environment that requests for an address take,
// as the daemon's do; nil for none.
func proxyFor(u *url.URL) (*url.URL, error) {
	return httpproxy.FromEnvironment().ProxyFunc()(u)
}

// hostPort is where an address is reached.
func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"https": "443", "http": "80", "socks5": "1080", "socks5h": "1080"}[u.Scheme])
}

// handshake opens a TLS connection to an address, through the proxy if there is
// one, and closes it. Nothing is asked of the other side.
func handshake(ctx context.Context, u, proxy *url.URL) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	if proxy == nil {
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", hostPort(u))
		if err != nil {
			return err
		}
		return conn.Close()
	}
	conn, err := tunnel(ctx, hostPort(u), proxy)
	if err != nil {
		return fmt.Errorf("by the proxy %s: %w", proxy.Host, err)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return errors.Join(err, conn.Close())
	}
	return secure.Close()
}

// tunnel asks a proxy, of HTTP or SOCKS5, for a connection.
func tunnel(ctx context.Context, address string, proxy *url.URL) (net.Conn, error) {
	var d net.Dialer
	if strings.HasPrefix(proxy.Scheme, "socks5") {
		at := *proxy
		at.Host = hostPort(proxy)
		socks, err := netproxy.FromURL(&at, &d)
		if err != nil {
			return nil, err
		}
		return socks.(netproxy.ContextDialer).DialContext(ctx, "tcp", address)
	}
	conn, err := d.DialContext(ctx, "tcp", hostPort(proxy))
	if err != nil {
		return nil, err
	}
	if proxy.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: proxy.Hostname()})
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if user := proxy.User; user != nil {
		password, _ := user.Password()
		basic := &http.Request{Header: http.Header{}}
		basic.SetBasicAuth(user.Username(), password)
		req.Header.Set("Proxy-Authorization", basic.Header.Get("Authorization"))
	}
	err = req.Write(conn)
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(bufio.NewReader(conn), req)
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s", resp.Status)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
