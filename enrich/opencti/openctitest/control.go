package openctitest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Control runs rabbitmqctl on the node and returns what it printed. It takes
// most of a second.
func (b *Broker) Control(ctx context.Context, args ...string) (string, error) {
	if b.dir == "" {
		return "", ErrNotOurs
	}
	script, err := serverScript()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(script), "rabbitmqctl"), args...)
	cmd.Env = b.env()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("openctitest: rabbitmqctl %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}

// Sync returns when the node's list of queues is on disk. The broker answers a
// declaration as soon as it is in memory, and a queue that is declared a moment
// before a kill -9 is gone after it, with the messages that were confirmed in it.
func (b *Broker) Sync(ctx context.Context) error {
	_, err := b.Control(ctx, "eval", "mnesia:sync_log().")
	return err
}

// Forget removes all that the node keeps: queues, exchanges, messages. It must
// have been killed or stopped before.
func (b *Broker) Forget() error {
	if b.dir == "" {
		return ErrNotOurs
	}
	return os.RemoveAll(filepath.Join(b.dir, "mnesia"))
}

// TLS is the port of the listener that speaks TLS and wants a certificate of
// the client, and the files that go with it.
func (b *Broker) TLS() (port int, c Certificates) { return b.tlsPort, b.certificates }
