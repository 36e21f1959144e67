package main

import "github.com/enrichgate/enrichgate/dashboards"

type rulesCmd struct{}

// Run prints the rules: enrichgate rules > /etc/prometheus/rules/enrichgate.yml
func (rulesCmd) Run(env *environment) error {
	_, err := env.stdout.Write(dashboards.Rules())
	return err
}

type dashboardCmd struct{}

// Run prints the dashboard.
func (dashboardCmd) Run(env *environment) error {
	_, err := env.stdout.Write(dashboards.Grafana())
	return err
}
