package settings

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// address accepts an http or https URL with nothing but a path behind the host,
// and ends it in the given way: "" or "/".
func address(end string, field func(*Settings) *string) parser {
	return func(t *target, v string) (string, error) {
		v = strings.TrimSpace(v)
		if strings.ContainsAny(v, "@?#") { // may carry a credential: not repeated
			return "", unshown{errors.New("an address may not hold a user, a query or a fragment; a credential has its own setting")}
		}
		u, err := url.Parse(v)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			return "", errors.New("not an address; write for example https://www.example.com")
		}
		if p := u.Port(); p != "" && !isPort(p, 1) || strings.HasSuffix(u.Host, ":") {
			return "", errors.New("the port is not a number from 1 to 65535")
		}
		v = strings.TrimRight(u.String(), "/") + end
		*field(t.Settings) = v
		return v, nil
	}
}

// isPort says whether p is a port number from least on.
func isPort(p string, least uint64) bool {
	n, err := strconv.ParseUint(p, 10, 16)
	return err == nil && n >= least
}

// hostName accepts a host without scheme, path and port.
func hostName(field func(*Settings) *string) parser {
	return func(t *target, v string) (string, error) {
		v = strings.TrimSpace(v)
		if strings.Contains(v, "@") {
			return "", unshown{errors.New("only a host belongs here; user and password have their own settings")}
		}
		if strings.ContainsAny(v, "/ \t") {
			return "", errors.New("not a host name; leave out scheme and path")
		}
		if _, _, err := net.SplitHostPort(v); err == nil {
			return "", errors.New("leave out the port; it has its own setting")
		}
		*field(t.Settings) = v
		return v, nil
	}
}

// urlPath accepts an absolute path.
func urlPath(field func(*Settings) *string) parser {
	return func(t *target, v string) (string, error) {
		v = strings.TrimSpace(v)
		if !strings.HasPrefix(v, "/") || strings.ContainsAny(v, "?# \t{}") {
			return "", errors.New("not a path; write for example /api/callback")
		}
		*field(t.Settings) = v
		return v, nil
	}
}

// httpListen accepts host:port or "off". Whether the host is safe without a
// token is for check to say.
func httpListen(t *target, v string) (string, error) {
	v = strings.TrimSpace(v)
	if strings.EqualFold(v, "off") {
		t.HTTPListen = ""
		return "off", nil
	}
	host, port, err := net.SplitHostPort(v)
	if err != nil || !isPort(port, 0) || strings.ContainsAny(host, "/@ ") {
		return "", errors.New("not host:port; write for example 127.0.0.1:8080, or off")
	}
	t.HTTPListen = v
	return v, nil
}

// isLoopback says whether listening at host:port stays within this host.
func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	return isLoopbackHost(host)
}

func isLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
