package sandbox

// Queued returns the messages that wait in memory for the connector that registered last.
func (p *Platform) Queued() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest.queue
}
