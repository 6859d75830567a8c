#!/usr/bin/env bash
# Writes the page that links to the references that exist: `index.sh target/docs`.
set -euo pipefail
cd "$1"
entry() { # FOLDER PAGE TITLE
    if [[ -e "$1/$2" ]]; then echo "<li><a href=\"$1/$2\">$3</a></li>"; fi
}
# shellcheck disable=SC2094 # the entries' pages are not read here
{
    cat <<'HTML'
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Celper SDK: reference</title>
<style>body { font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }</style>
<h1>Celper SDK: reference</h1>
<p>The API reference of each language. For usage see the README and the pages in <code>docs/</code>.</p>
<ul>
HTML
    entry rust celper/index.html 'Rust: crate <code>celper</code>'
    entry python celper.html 'Python: package <code>celper</code>'
    entry node index.html 'Node: package <code>celper</code>'
    entry kotlin index.html 'Kotlin and Java: package <code>ai.celper</code>'
    entry swift documentation/celper/index.html 'Swift: module <code>Celper</code> (needs a web server: <code>python3 -m http.server -d target/docs</code>)'
    echo '</ul>'
    echo '</html>'
} >index.html
echo "$PWD/index.html"
