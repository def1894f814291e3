"""The common choice: what a team writes for itself with FastAPI and SQLAlchemy.

The same addresses, one row for each POST and one query for each GET, durable as the gateway is
(WAL, `synchronous = FULL`). It seals nothing, keeps no audit, redeems nothing at a partner and
checks little: a lower bound of what such a program has to do.
"""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, HTTPException, Response
from fastapi.security import (
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
)
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import JSON, ForeignKey, create_engine, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

engine = create_engine(f"sqlite:///{os.environ['BENCH_DATABASE']}")
Sessions = sessionmaker(engine)
app = FastAPI()


@event.listens_for(engine, "connect")
def durable(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


class Table(DeclarativeBase):
    pass


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return str(uuid.uuid4())


class Token(Table):
    __tablename__ = "token"
    value: Mapped[str] = mapped_column(primary_key=True)


class Customer(Table):
    __tablename__ = "customer"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    first_name: Mapped[str]
    last_name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    created: Mapped[datetime] = mapped_column(default=now, index=True)


class ExchangeSession(Table):
    __tablename__ = "exchange_session"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"))
    links: Mapped[Any] = mapped_column(JSON)
    created: Mapped[datetime] = mapped_column(default=now)


class Exchange(Table):
    __tablename__ = "exchange"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    proof: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(default="active")
    created: Mapped[datetime] = mapped_column(default=now)


class FundingSource(Table):
    __tablename__ = "funding_source"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    exchange_href: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    name: Mapped[str]
    created: Mapped[datetime] = mapped_column(default=now)


Table.metadata.create_all(engine)


def session() -> Iterator[Session]:
    with Sessions() as made:
        yield made


Db = Annotated[Session, Depends(session)]


def authorized(
    db: Db, bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
) -> None:
    if db.get(Token, bearer.credentials) is None:
        raise HTTPException(401)


Authorized = Depends(authorized)


class Link(BaseModel):
    href: str


class NewCustomer(BaseModel):
    first_name: str = Field(alias="firstName")
    last_name: str = Field(alias="lastName")
    email: str


class NewSession(BaseModel):
    links: dict[str, Link] = Field(alias="_links")


class PlaidProof(BaseModel):
    public_token: str = Field(alias="publicToken")


class NewExchange(BaseModel):
    links: dict[str, Link] = Field(alias="_links")
    plaid: PlaidProof


class NewSource(BaseModel):
    links: dict[str, Link] = Field(alias="_links")
    kind: str = Field(alias="bankAccountType")
    name: str


class ShownExchange(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: str
    status: str
    created: datetime


class ShownCustomer(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: str
    first_name: str = Field(serialization_alias="firstName")
    last_name: str = Field(serialization_alias="lastName")
    email: str
    created: datetime


class ShownCustomers(BaseModel):
    customers: list[ShownCustomer]
    total: int


class ShownExchanges(BaseModel):
    exchanges: list[ShownExchange]


@app.post("/token")
def create_token(
    db: Db,
    client: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())],
    grant_type: Annotated[str, Form()],
) -> dict[str, Any]:
    if client.username != "sandbox-key" or grant_type != "client_credentials":
        raise HTTPException(401)
    token = Token(value=secrets.token_urlsafe(32))
    db.add(token)
    db.commit()
    return {"access_token": token.value, "token_type": "bearer", "expires_in": 3600}


def created(db: Session, row: Any, path: str) -> Response:
    db.add(row)
    db.commit()
    return Response(status_code=201, headers={"Location": f"http://127.0.0.1/{path}/{row.id}"})


@app.get("/exchange-partners", dependencies=[Authorized])
def list_partners() -> dict[str, Any]:
    link = {"self": {"href": "http://127.0.0.1/exchange-partners/1"}}
    return {"_embedded": {"exchange-partners": [{"name": "Plaid", "_links": link}]}}


@app.post("/customers", dependencies=[Authorized])
def create_customer(db: Db, body: NewCustomer) -> Response:
    return created(db, Customer(**body.model_dump()), "customers")


@app.get("/customers", dependencies=[Authorized])
def list_customers(db: Db, limit: int = 25, offset: int = 0) -> ShownCustomers:
    page = select(Customer).order_by(Customer.created.desc()).limit(limit).offset(offset)
    total = db.scalar(select(func.count()).select_from(Customer)) or 0
    customers = [ShownCustomer.model_validate(each) for each in db.scalars(page)]
    return ShownCustomers(customers=customers, total=total)


@app.post("/customers/{customer_id}/exchange-sessions", dependencies=[Authorized])
def create_session(db: Db, customer_id: str, body: NewSession) -> Response:
    links = {name: link.href for name, link in body.links.items()}
    row = ExchangeSession(customer_id=customer_id, links=links)
    return created(db, row, "exchange-sessions")


@app.post("/customers/{customer_id}/exchanges", dependencies=[Authorized])
def create_exchange(db: Db, customer_id: str, body: NewExchange) -> Response:
    row = Exchange(customer_id=customer_id, proof=body.plaid.public_token)
    return created(db, row, "exchanges")


@app.get("/customers/{customer_id}/exchanges", dependencies=[Authorized])
def list_exchanges(db: Db, customer_id: str) -> ShownExchanges:
    rows = db.scalars(select(Exchange).where(Exchange.customer_id == customer_id))
    return ShownExchanges(exchanges=[ShownExchange.model_validate(each) for each in rows])


@app.get("/exchanges/{exchange_id}", dependencies=[Authorized])
def get_exchange(db: Db, exchange_id: str) -> ShownExchange:
    row = db.get(Exchange, exchange_id)
    if row is None:
        raise HTTPException(404)
    return ShownExchange.model_validate(row)


@app.post("/customers/{customer_id}/funding-sources", dependencies=[Authorized])
def create_source(db: Db, customer_id: str, body: NewSource) -> Response:
    row = FundingSource(
        customer_id=customer_id,
        exchange_href=body.links["exchange"].href,
        kind=body.kind,
        name=body.name,
    )
    return created(db, row, "funding-sources")
