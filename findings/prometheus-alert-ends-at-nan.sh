#!/usr/bin/env bash
# Prometheus: the alert "accuracy is low" ends by itself when the model is so broken that its accuracy is NaN.
#
# Version: Prometheus 2.42.0 (Debian package prometheus 2.42.0+ds-5+deb12u1). Needs apt-get and dpkg-deb of Debian 12.
# Behaviour: a gauge falls to 0.3 and the alert `accuracy < 0.8` fires. Then the gauge turns NaN: no comparison with NaN
#   holds, so the alert is resolved, and whoever was paged reads that all is well. `absent(accuracy)` does not fire
#   either, since the series is there. `not` written as `unless accuracy >= 0.8` keeps firing. The rules are run by
#   Prometheus's own `promtool test rules`, which names what fires at each minute.
# Seen (Debian 12, November 2026):
#   minute 1: Low no, Gone no, NotGood no
#   minute 3: Low yes, Gone no, NotGood yes
#   minute 5: Low no, Gone no, NotGood yes
#   promtool, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5+deb12u1)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet=2 prometheus=2.42.0+ds-5+deb12u1
dpkg-deb --extract prometheus_*.deb .

cat > rules.yml <<'EOF'
groups:
  - name: model
    rules:
      - {alert: Low, expr: accuracy < 0.8}
      - {alert: Gone, expr: absent(accuracy)}
      - {alert: NotGood, expr: accuracy unless accuracy >= 0.8}
EOF

fires() { # fires ALERT MINUTE: whether it does, as promtool finds
  cat > test.yml <<EOF
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: accuracy, values: "0.9 0.9 0.3 0.3 NaN NaN NaN"}
    alert_rule_test:
      - {eval_time: ${2}m, alertname: $1, exp_alerts: []}
EOF
  if ./usr/bin/promtool test rules test.yml > said 2>&1; then echo no; else echo yes; fi
}

seen=
for minute in 1 3 5; do
  line="minute $minute: Low $(fires Low $minute), Gone $(fires Gone $minute), NotGood $(fires NotGood $minute)"
  echo "$line"
  seen+="$line;"
done
./usr/bin/promtool --version | head -1
expected="minute 1: Low no, Gone no, NotGood no;minute 3: Low yes, Gone no, NotGood yes;"
expected+="minute 5: Low no, Gone no, NotGood yes;"
if [ "$seen" != "$expected" ]; then
  echo "NOT as found: the behaviour has changed"
  exit 1
fi
echo "as found"
