"""What the demonstration's consilia settle on: one patient, entered as far as each kind's document has a place."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from consilium.model import Advice, GivenService, Particulars, Picked, SettledDiagnosis
from consilium.rules.particulars import PLACES

MAIN = SettledDiagnosis(
    code="C34.1",
    kind="1",
    text="Плоскоклеточный рак верхней доли правого лёгкого",
    certainty="10",
    nature="1",
)
CONCOMITANT = SettledDiagnosis(
    code="J44.8", kind="3", text="Хроническая обструктивная болезнь лёгких, ремиссия", nature="2"
)
COMPLAINTS = "Кашель, одышка при подъёме на второй этаж, снижение массы тела на 6 кг."


def settled(kind: str, today: date) -> Particulars:
    """Everything a document of this kind takes."""
    places = PLACES[kind]
    main = MAIN
    if "stage" in places:
        main = replace(
            MAIN,
            stage="IIA",
            tumour=Picked(name="cT2a"),
            node=Picked(name="cN1"),
            metastasis=Picked(name="cM0"),
        )
    return Particulars(
        diagnoses=(main, CONCOMITANT),
        clinical_group=Picked(name="II") if "clinical_group" in places else Picked(),
        advice=advice(today),
        services=(GivenService(name="Консилиум врачей"),) if "services" in places else (),
        complaints=COMPLAINTS if "complaints" in places else "",
    )


def advice(today: date) -> tuple[Advice, ...]:
    """A line of every sort."""
    return (
        Advice(
            kind="treatment",
            text="Верхняя лобэктомия справа с систематической лимфодиссекцией",
            method=Picked(name="Хирургический", code="1"),
            planned_on=today + timedelta(days=14),
        ),
        Advice(
            kind="treatment",
            text="Адъювантная химиотерапия, 4 курса",
            method=Picked(name="Химиотерапия", code="41"),
            planned_on=today + timedelta(days=56),
        ),
        Advice(kind="examination", text="МРТ головного мозга с контрастированием до операции"),
        Advice(kind="examination", text="Спирометрия с пробой, ЭхоКГ"),
        Advice(kind="medication", text="Тиотропия бромид по схеме пульмонолога"),
        Advice(kind="diet", text="Белковое питание, дополнительно 600 ккал в сутки"),
        Advice(kind="regime", text="Отказ от курения, дыхательная гимнастика"),
        Advice(kind="other", text="Повторный консилиум по результатам морфологии"),
    )
