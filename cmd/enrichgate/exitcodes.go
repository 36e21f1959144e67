package main

import (
	"fmt"
	"strings"
)

// exitCodes is the table of what the program's end means, for people.
func exitCodes() string {
	var all []string
	for _, c := range []struct {
		code int
		what string
	}{
		{0, "good"}, {1, "error"}, {exitUsage, "usage or unusable value"}, {exitNotFound, "no record"},
		{exitAuth, "not authorized"}, {exitDenied, "denied by policy"}, {exitQuota, "quota exhausted"},
		{exitStale, "only an expired answer"}, {exitUnavailable, "provider unavailable"},
		{exitUnreachable, "daemon unreachable"}, {exitConfig, "configuration"}, {exitInterrupted, "interrupted"},
	} {
		all = append(all, fmt.Sprintf("%d %s", c.code, c.what))
	}
	return strings.Join(all, ", ")
}
