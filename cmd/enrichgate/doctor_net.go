package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

// patienceOfDoctor is how long one check of the network may take.
const patienceOfDoctor = 10 * time.Second

// checkName resolves the host of an address.
func checkName(ctx context.Context, address, setting string) finding {
	u, err := url.Parse(address)
	if err != nil {
		return bad("correct "+setting, "%v", err)
	}
	host, left := u.Hostname(), ""
	proxy, err := proxyFor(u)
	if err != nil {
		return bad("correct HTTPS_PROXY", "%v", err)
	}
	if proxy != nil { // which resolves the other name itself
		host, left, setting = proxy.Hostname(), ", the proxy for "+u.Hostname(), "HTTPS_PROXY"
	}
	ctx, cancel := context.WithTimeout(ctx, patienceOfDoctor)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return bad("correct "+setting+", or see to the name server", "%v", err)
	}
	return good("%s is %s%s", host, strings.Join(found, ", "), left)
}

// platformCheck asks OpenCTI once who we are to it.
type platformCheck struct {
	settings settings.Settings

	reached bool
	refused string
	user    string
	date    time.Time // by the platform's clock
	asked   time.Time // by ours, in the middle of the request
}

// reach asks over the same connection, certificates and headers as the daemon.
func (p *platformCheck) reach(ctx context.Context) finding {
	client, headers, err := platformHTTP(p.settings)
	if err != nil {
		return bad("correct OPENCTI_SSL_VERIFY", "%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patienceOfDoctor)
	defer cancel()
	query := `{"query":"{ me { name } about { version } }"}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.settings.OpenCTIURL+"/graphql", strings.NewReader(query))
	if err != nil {
		return bad("correct OPENCTI_URL", "%v", err)
	}
	req.Header = headers.Clone()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.settings.OpenCTIToken.Reveal())
	before := time.Now()
	resp, err := client.Do(req)
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return bad("name its CA bundle in OPENCTI_SSL_VERIFY", "%v", certificate)
	case err != nil:
		return bad("correct OPENCTI_URL, or see to the network and its proxy", "%v", err)
	}
	defer resp.Body.Close()
	p.asked = before.Add(time.Since(before) / 2)
	p.date, _ = http.ParseTime(resp.Header.Get("Date")) // zero: not told
	var answer struct {
		Data struct {
			Me    *struct{ Name string }
			About *struct{ Version string }
		}
		Errors []struct{ Message string }
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || json.Unmarshal(body, &answer) != nil {
		return bad("correct OPENCTI_URL: is it the address without a path?", "HTTP %d that is not GraphQL", resp.StatusCode)
	}
	p.reached = true
	if answer.Data.Me != nil {
		p.user = answer.Data.Me.Name
	} else if len(answer.Errors) > 0 {
		p.refused = answer.Errors[0].Message
	}
	version := "an unknown version"
	if answer.Data.About != nil {
		version = answer.Data.About.Version
	}
	return good("OpenCTI %s answers in %s", version, time.Since(before).Round(time.Millisecond))
}

func (p *platformCheck) token() finding {
	switch {
	case !p.reached:
		return skipped("OpenCTI did not answer")
	case p.user == "":
		return bad("make a token for a user with the role Connector, and put it into OPENCTI_TOKEN", "it is not accepted: %s", p.refused)
	}
	return good("it is %s's", p.user)
}

// mostSkew is how far clocks may be apart before days and months begin at
// different times for the provider and for us.
const mostSkew = 30 * time.Second

func (p *platformCheck) clock() finding {
	if p.date.IsZero() {
		return skipped("nobody told the time to compare with")
	}
	skew := p.asked.Sub(p.date).Round(time.Second)
	if skew.Abs() > mostSkew {
		return doubtful("set this machine's clock by NTP: quotas reset by it", "it is %s apart from OpenCTI's", skew.Abs())
	}
	return good("within %s of OpenCTI's", max(time.Second, skew.Abs()))
}

// checkBroker asks the daemon if one runs: only a registered connector knows
// where the broker is, unless the settings say so.
func checkBroker(ctx context.Context, s settings.Settings) finding {
	if by, err := readHolder(s.DataDir); err == nil && by.PID != 0 && by.Socket != "" {
		d, err := daemonOf(&heldError{dir: s.DataDir, by: by})
		if err == nil {
			_, err = d.get(ctx, "/readyz", nil, "application/json")
		}
		if err != nil {
			return bad("see the daemon's log", "the daemon is not ready: %v", err)
		}
		return good("the daemon takes messages")
	}
	if s.MQHost == "" {
		return skipped("OpenCTI tells its address when a connector registers; 'enrichgate status' shows it of a running daemon")
	}
	port := s.MQPort
	if port == 0 {
		port = 5672
	}
	return dial(ctx, net.JoinHostPort(s.MQHost, strconv.Itoa(port)), "MQ_HOST and MQ_PORT")
}

// dial opens a connection and closes it.
func dial(ctx context.Context, address, setting string) finding {
	ctx, cancel := context.WithTimeout(ctx, patienceOfDoctor)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return bad("correct "+setting+", or see to the network", "%v", err)
	}
	return errorOr(conn.Close(), good("%s can be reached", address))
}

func errorOr(err error, f finding) finding {
	if err != nil {
		return bad("see to the network", "%v", err)
	}
	return f
}

// checkProvider shakes hands with a provider. It asks nothing: a call may cost.
func checkProvider(ctx context.Context, source *settings.Source) finding {
	setting := "the source's api_base_url"
	u, err := url.Parse(source.BaseURL)
	if err != nil {
		return bad("correct "+setting, "%v", err)
	}
	proxy, err := proxyFor(u)
	if err != nil {
		return bad("correct HTTPS_PROXY", "%v", err)
	}
	address := hostPort(u)
	if u.Scheme != "https" {
		if proxy != nil {
			return dial(ctx, hostPort(proxy), "HTTP_PROXY")
		}
		return dial(ctx, address, setting)
	}
	ctx, cancel := context.WithTimeout(ctx, patienceOfDoctor)
	defer cancel()
	if err := handshake(ctx, u, proxy); err != nil {
		return bad("see to the name server, the network and its proxy, or correct "+setting, "%v", err)
	}
	return good("%s can be reached; the key is tried at the first lookup, which costs", address)
}

// checkListen says whether the page, the API and the metrics have their address,
// or the daemon that runs already has it.
func checkListen(ctx context.Context, s settings.Settings) finding {
	if s.HTTPListen == "" {
		return skipped("ENRICHGATE_HTTP_LISTEN is off")
	}
	var l net.ListenConfig
	ln, err := l.Listen(ctx, "tcp", s.HTTPListen)
	if err == nil {
		err = ln.Close()
	}
	by, _ := readHolder(s.DataDir) // without one nobody holds it
	switch {
	case err == nil:
		return good("%s is free", s.HTTPListen)
	case errors.Is(err, unix.EADDRINUSE) && by.PID != 0 && by.Socket != "":
		return good("%s is in use, and process %d of enrichgate runs", s.HTTPListen, by.PID)
	case errors.Is(err, unix.EADDRINUSE):
		return bad("end the other program, or set ENRICHGATE_HTTP_LISTEN to another port", "another program listens on %s", s.HTTPListen)
	}
	return bad("correct ENRICHGATE_HTTP_LISTEN", "%v", err)
}
