#!/usr/bin/env bash
# Submits a pipeline and follows it with nothing but curl: GraphQL over server-sent events.
#
#   examples/clients/follow-sse.sh
#
# CARILLON_URL   the server, http://127.0.0.1:4000 where not set
# CARILLON_KEY   an API key with the scopes READ and SUBMIT, where the server has keys
set -euo pipefail
url="${CARILLON_URL:-http://127.0.0.1:4000}/graphql"
headers=(-H 'content-type: application/json')
if [ -n "${CARILLON_KEY:-}" ]; then headers+=(-H "authorization: Bearer $CARILLON_KEY"); fi

submitted=$(curl -sS "${headers[@]}" "$url" -d '{ "query": "mutation { runAlgorithm(input: { name: \"green-alg\", input: [\"#[1,2,3]\"] }) { job { id } userErrors { message } } }" }')
job=$(sed -n 's/.*"job":{"id":"\([^"]*\)".*/\1/p' <<<"$submitted")
if [ -z "$job" ]; then echo "not submitted: $submitted" >&2; exit 1; fi
echo "job $job"

# A connection may break: then go on after the last cursor seen, until the server says that the stream is complete.
after=null
complete=no
while [ "$complete" = no ]; do
  while IFS= read -r line; do
    case "$line" in
      'event: complete') complete=yes ;;
      'data: {"errors"'* | '{"errors"'*) echo "${line#data: }" >&2; exit 1 ;;
      'data: {'*)
        echo "${line#data: }"
        after=$(sed -n 's/.*"cursor":\("[^"]*"\).*/\1/p' <<<"$line")
        ;;
    esac
  done < <(curl -sS -N "${headers[@]}" -H 'accept: text/event-stream' "$url" -d "{
    \"query\": \"subscription (\$job: ID!, \$after: Cursor) { jobEvents(jobId: \$job, after: \$after) { sequence type cursor ... on JobStatusChanged { progress { details } } } }\",
    \"variables\": { \"job\": \"$job\", \"after\": $after }
  }")
  if [ "$complete" = no ]; then sleep 1; fi
done
