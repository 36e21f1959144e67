//go:build !linux

package openctitest

import "time"

// Private nodes need Linux; elsewhere tests use AMQP_URL.
const supported = false

type process struct{ done chan struct{} }

func startProcess(_, _ []string, _ string) (*process, error) { return nil, ErrNoBroker }

func (p *process) alive() bool                   { return false }
func (p *process) kill() error                   { return nil }
func (p *process) terminate(time.Duration) error { return nil }
