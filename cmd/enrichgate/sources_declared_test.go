package main

import (
	"os"
	"strings"
	"testing"
)

// The environment of a public connector moves over as it is: its secret, its
// parameters, and what means nothing here, which is said and does no harm.
func TestEnvironmentOfAPublicConnectorMovesOver(t *testing.T) {
	env := []string{
		"OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=a-secret-0123456789", "CONNECTOR_ID=b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11", "CONNECTOR_NAME=VirusTotal",
		"CONNECTOR_SCOPE=StixFile,Artifact,IPv4-Addr,Domain-Name,Url,Hostname", "CONNECTOR_SOURCE=virustotal",
		"VIRUSTOTAL_TOKEN=a-key-0123456789abcdef", "VIRUSTOTAL_MAX_TLP=TLP:AMBER", "VIRUSTOTAL_IP_INDICATOR_CREATE_POSITIVES=5", "VIRUSTOTAL_IP_ADD_RELATIONSHIPS=true",
		"VIRUSTOTAL_URL_UPLOAD_UNSEEN=true", "VIRUSTOTAL_FILE_IMPORT_YARA=true",
	}
	var o, e strings.Builder
	code := execute(environment{ctx: t.Context(), environ: env, stdout: &o, stderr: &e}, []string{"--config", os.DevNull, "config", "check"})
	if code != 0 || !strings.Contains(e.String(), "VIRUSTOTAL_URL_UPLOAD_UNSEEN has no effect here: nothing is uploaded") {
		t.Errorf("exit %d: %s%s", code, o.String(), e.String())
	}
	env = append(env, "VIRUSTOTAL_IP_INDICATOR_CREATE=5")
	e.Reset()
	code = execute(environment{ctx: t.Context(), environ: env, stdout: &o, stderr: &e}, []string{"--config", os.DevNull, "config", "check"})
	if code != exitConfig || !strings.Contains(e.String(), "VIRUSTOTAL_IP_INDICATOR_CREATE_POSITIVES") {
		t.Errorf("exit %d: %s", code, e.String())
	}
}
