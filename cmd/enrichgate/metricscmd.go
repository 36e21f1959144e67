package main

import (
	"io"
	"net/http"
)

type metricsCmd struct{}

// Run prints the metrics of the running daemon, as Prometheus reads them.
func (metricsCmd) Run(env *environment, c *cli) error {
	way, _, err := c.running(env)
	if err != nil {
		return err
	}
	defer way.client.CloseIdleConnections()
	resp, err := way.do(env.ctx, request{method: http.MethodGet, path: "/metrics"})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(env.stdout, resp.Body); err != nil {
		return way.unanswered(env.ctx, err)
	}
	return nil
}
