#!/usr/bin/env bash
# Fetches Apache ECharts again, the one third-party script inside the HTML pages, and checks what came.
# The "common" build holds every chart that the pages draw (line, bar, scatter; SVG renderer) at two
# thirds of the full build's size. To move to another version: set both values, look at the pages, commit.
set -euo pipefail
cd "$(dirname "$0")/.."

ECHARTS_VERSION=6.1.0
ECHARTS_SHA256=61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5
assets=hedged/page/assets
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "==> echarts@$ECHARTS_VERSION from the npm registry"
(cd "$work" && npm pack --silent "echarts@$ECHARTS_VERSION" >/dev/null && tar -xzf echarts-*.tgz)
echo "$ECHARTS_SHA256  $work/package/dist/echarts.common.min.js" | sha256sum --check --quiet
cp "$work/package/dist/echarts.common.min.js" "$assets/echarts.min.js"
# The licence, the notice that it asks to be passed on, and the licence of the d3 parts inside.
for part in NOTICE LICENSE licenses/LICENSE-d3; do
    printf '== %s ==\n\n' "$part"
    cat "$work/package/$part"
    printf '\n\n'
done >"$assets/echarts.LICENSE"
chmod 644 "$assets"/echarts.*
ls -l "$assets"/echarts.*
