"""The same chain in Flask, as such a system is usually written: three small apps (ROLE: user, order, audit), kept
connections between them and to PostgreSQL, the OpenTelemetry instrumentations of their libraries, a span per step.
Tables are the product's; each POST commits three times, as there."""

import json
import logging
import os
import uuid

import requests
from flask import Flask, jsonify, request
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from psycopg_pool import ConnectionPool

ROLE = os.environ["ROLE"]
NEXT = os.environ.get("NEXT_SERVICE_URL")
THREADS = int(os.environ["THREADS"])

resource = Resource.create({"service.name": f"{ROLE}-service"})
traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(traces)
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
set_logger_provider(logs)
PsycopgInstrumentor().instrument()
RequestsInstrumentor().instrument()

logging.basicConfig(level=logging.INFO, format="%(message)s")
logging.getLogger().addHandler(LoggingHandler(logger_provider=logs))
log = logging.getLogger(ROLE)
tracer = trace.get_tracer("bench")
app = Flask(__name__)
FlaskInstrumentor().instrument_app(app)
pool = ConnectionPool(os.environ["DATABASE_URL"], min_size=THREADS, max_size=THREADS, open=True)
session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=THREADS))


def line(message):
    span = trace.get_current_span().get_span_context()
    log.info(json.dumps({"message": message, "trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}))


def call_next(body):
    answer = session.post(f"{NEXT}/process", json=body, timeout=8)
    answer.raise_for_status()
    return answer.json()


@app.get("/ready")
def ready():
    return "ok"


def user(body):
    with tracer.start_as_current_span("validate_user"), pool.connection() as db:
        db.execute("select id, name, email from users where id = %s", (body["user_id"],)).fetchone()
        db.execute(
            "insert into users (id, name, email) values (%s, %s, %s) on conflict (id) do update set"
            " name = excluded.name, email = excluded.email, updated_at = now() returning id",
            (body["user_id"], body["user_name"], body["user_email"]),
        ).fetchone()
    with tracer.start_as_current_span("enrich_profile"):
        body = {**body, "tier": "standard"}
    answer = call_next(body)
    line("request processed")
    return {"status": "completed", "user": {"id": body["user_id"]}, **answer}


def order(body):
    event = {"event_id": str(uuid.uuid4()), "user_id": body["user_id"], "action": body["action"]}
    with tracer.start_as_current_span("create_order"), pool.connection() as db:
        with tracer.start_as_current_span("validate_order"):
            db.execute("select id, name, unit_price from products where id = %s", ("laptop-001",)).fetchone()
            db.execute("select id from users where id = %s", (body["user_id"],)).fetchone()
        with tracer.start_as_current_span("price_order"):
            total = 1
        with tracer.start_as_current_span("persist_order"):
            row = db.execute(
                "insert into orders (event_id, user_id, action, status, total, currency) values (%s, %s, %s, 'completed', %s, 'USD')"
                " returning id",
                (event["event_id"], body["user_id"], body["action"], total),
            ).fetchone()
            db.execute(
                "insert into order_items (order_id, line, product_id, quantity, unit_price, line_total) values (%s, 1, 'laptop-001', 1, 1, 1)",
                (row[0],),
            )
    line("order committed")
    with tracer.start_as_current_span("deliver_audit_event"):
        audit = call_next({**event, "order_id": row[0]})
    return {"order": {"id": row[0], "total": total}, **audit}


def audit(body):
    with tracer.start_as_current_span("record_audit"), pool.connection() as db:
        row = db.execute(
            "insert into audit_logs (event_id, event_type, occurred_at, source, user_id, order_id, action, details)"
            " values (%s, 'order.completed', now(), 'order-service', %s, %s, %s, '{}') returning id",
            (body["event_id"], body["user_id"], body["order_id"], body["action"]),
        ).fetchone()
    line("audit row recorded")
    return {"audit": {"id": row[0]}}


@app.post("/process")
def process():
    answer = {"user": user, "order": order, "audit": audit}[ROLE](request.get_json())
    line("POST /process 200")
    return jsonify(answer)
