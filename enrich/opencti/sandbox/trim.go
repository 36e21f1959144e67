package sandbox

// Trim lets go of what the platform keeps only so that it can be looked at:
// the contents of calls, what was posted and pushed, and playbook executions
// that were answered. A platform that runs for hours would grow without it.
// Works, problems and all counts but Pushed stay. Nobody should be waiting for a step.
func (p *Platform) Trim() {
	p.update(func() {
		for i := range p.calls { // the entries stay: requests under way have their place in them
			p.calls[i].Query, p.calls[i].Variables, p.calls[i].Header = "", nil, nil
		}
		p.callbacks, p.pushed = nil, nil
		for id := range p.steps {
			delete(p.steps, id)
			delete(p.executions, id)
		}
	})
}
