package openctitest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// ErrNoBroker says that there is no RabbitMQ on this machine.
var ErrNoBroker = errors.New("openctitest: RabbitMQ is not installed (apt-get install --no-install-recommends rabbitmq-server)")

// ErrNotOurs is what a broker from AMQP_URL answers to Kill, Restart, Stop and Control.
var ErrNotOurs = errors.New("openctitest: the broker from AMQP_URL is not ours to stop")

const (
	// startTimeout bounds a start; a cold one takes about seven seconds on an idle machine.
	startTimeout = 90 * time.Second
	// stopTimeout bounds a clean stop, which takes about a second.
	stopTimeout = 15 * time.Second
)

// Broker is a private RabbitMQ node with its own ports, files, cookie and name
// server. It does not outlive the process that started it.
type Broker struct {
	url string
	dir string // empty when the broker is not ours

	script                             string
	port, tlsPort, distPort, namesPort int
	certificates                       Certificates

	mu            sync.Mutex
	names, rabbit *process
}

// StartBroker starts a node that keeps everything in dir and returns when it
// accepts connections.
func StartBroker(dir string) (*Broker, error) {
	script, err := serverScript()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	b := &Broker{dir: dir, script: script}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	// A port may be taken between the choice and the start: try others then.
	for range 3 {
		if err = b.prepare(); err != nil {
			return nil, err
		}
		if err = b.Restart(ctx); err == nil {
			return b, nil
		}
		_ = b.Stop()
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// serverScript finds the node's own start script. The one in /usr/sbin becomes
// another user and drops the environment.
func serverScript() (string, error) {
	if !supported {
		return "", ErrNoBroker
	}
	found, _ := filepath.Glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")
	if len(found) == 0 {
		return "", ErrNoBroker
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}

// prepare chooses ports and writes the node's files.
func (b *Broker) prepare() error {
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	b.port, b.distPort, b.namesPort, b.tlsPort = ports[0], ports[1], ports[2], ports[3]
	b.url = fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", b.port)
	if err := os.MkdirAll(filepath.Join(b.dir, "home"), 0o700); err != nil {
		return err
	}
	if b.certificates, err = NewCertificates(b.dir); err != nil {
		return err
	}
	config := fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nloopback_users = none\n"+
		"disk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 2GB\n"+
		"listeners.ssl.1 = 127.0.0.1:%d\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"+
		"ssl_options.cacertfile = %s\nssl_options.certfile = %s\nssl_options.keyfile = %s\n",
		b.port, b.tlsPort, b.certificates.CA, b.certificates.ServerCert, b.certificates.ServerKey)
	for name, text := range map[string]string{"rabbitmq.conf": config, "enabled_plugins": "[].\n"} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	cookie := filepath.Join(b.dir, "home", ".erlang.cookie")
	if _, err := os.Stat(cookie); err == nil {
		return nil
	}
	return os.WriteFile(cookie, fmt.Appendf(nil, "TEST%016X", rand.Uint64()), 0o400)
}

// freePorts finds ports of the loopback interface below the range from which
// systems take ports for outgoing connections, so that they stay free while the
// node is down.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range 1000 {
		port := 12000 + rand.IntN(8000)
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer ln.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("openctitest: no free ports")
}

// env is the whole environment of the node.
func (b *Broker) env() []string {
	in := func(name string) string { return filepath.Join(b.dir, name) }
	return []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "LC_ALL=C.UTF-8",
		"HOME=" + in("home"),
		fmt.Sprintf("ERL_EPMD_PORT=%d", b.namesPort), "ERL_EPMD_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODENAME=t%d@localhost", b.port),
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODE_PORT=%d", b.port),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", b.distPort),
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_CONFIG_FILE=" + in("rabbitmq"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + in("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + in("mnesia"),
		"RABBITMQ_LOG_BASE=" + in("log"),
		"RABBITMQ_PID_FILE=" + in("pid"),
		// Idle schedulers shall sleep, not spin.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
		// Without it the script stays as a parent that would not die with us.
		"RUNNING_UNDER_SYSTEMD=true",
	}
}

// URL is the broker's address.
func (b *Broker) URL() string { return b.url }

// Dir is where the node keeps its files; its log is in the folder log.
func (b *Broker) Dir() string { return b.dir }

// Kill ends the node as a power cut would: SIGKILL, no goodbye. It returns when
// the node is gone.
func (b *Broker) Kill() error {
	if b.dir == "" {
		return ErrNotOurs
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rabbit.kill()
}

// Restart starts the node again, with the same data and ports, after Kill or
// Stop. It returns when the node accepts connections.
func (b *Broker) Restart(ctx context.Context) error {
	if b.dir == "" {
		return ErrNotOurs
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	if !b.names.alive() {
		// In the foreground and before the node, which would leave a daemon behind.
		args := []string{"epmd", "-address", "127.0.0.1", "-port", fmt.Sprint(b.namesPort)}
		if b.names, err = startProcess(args, b.env(), filepath.Join(b.dir, "epmd.out")); err != nil {
			return err
		}
	}
	if !b.rabbit.alive() {
		if b.rabbit, err = startProcess([]string{b.script}, b.env(), filepath.Join(b.dir, "rabbitmq.out")); err != nil {
			return err
		}
	}
	return b.waitReady(ctx)
}

func (b *Broker) waitReady(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := b.dial()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-b.rabbit.done:
			return fmt.Errorf("openctitest: RabbitMQ ended while starting:\n%s", b.output())
		case <-ctx.Done():
			return fmt.Errorf("openctitest: RabbitMQ does not accept connections: %w\n%s", err, b.output())
		}
	}
}

func (b *Broker) dial() error {
	conn, err := amqp.DialConfig(b.url, amqp.Config{
		Dial: func(network, addr string) (net.Conn, error) {
			c, err := net.DialTimeout(network, addr, time.Second)
			if err != nil {
				return nil, err
			}
			return c, c.SetDeadline(time.Now().Add(5 * time.Second))
		},
	})
	if err != nil {
		return err
	}
	return conn.Close()
}

// output is the end of what the node printed.
func (b *Broker) output() string {
	var all strings.Builder
	for _, name := range []string{"epmd.out", "rabbitmq.out"} {
		text, _ := os.ReadFile(filepath.Join(b.dir, name))
		fmt.Fprintf(&all, "%s: %s\n", name, text[max(0, len(text)-2000):])
	}
	return all.String()
}

// Stop ends the node in good order, and its name server. Restart starts it again.
func (b *Broker) Stop() error {
	if b.dir == "" {
		return ErrNotOurs
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(b.rabbit.terminate(stopTimeout), b.names.kill())
}
