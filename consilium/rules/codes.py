"""Codes that rules branch on, written by hand from the national dictionaries (НСИ 1.2.643.5.1.13.13.*).

`ru` is the published name, `en` its reading for the English interface. Everything else of the dictionaries
is read from official files when they are there (`directory/nsi.py`); old codes keep rendering from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Term:
    """One row of a dictionary."""

    code: str
    ru: str
    en: str


@dataclass(frozen=True, slots=True)
class Goal(Term):
    """A goal of 11.1506; the flags say which body may be asked for it."""

    consultation: bool
    commission: bool


def _table(*rows: Term) -> dict[str, Term]:
    return {row.code: row for row in rows}


GOALS: dict[str, Goal] = {
    row.code: row
    for row in (
        Goal("1", "Установление состояния здоровья пациента", "Establish the patient's state", True, False),
        Goal("2", "Установление диагноза", "Establish the diagnosis", True, False),
        Goal("3", "Определение (медицинского) прогноза", "Establish the prognosis", True, False),
        Goal("4", "Определение тактики медицинского обследования", "Decide on examinations", True, False),
        Goal("5", "Определение тактики лечения", "Decide on treatment", True, False),
        Goal(
            "6",
            "Определение целесообразности направления в специализированные отделения медицинской организации",
            "Decide on referral to a specialised unit",
            True,
            False,
        ),
        Goal(
            "7",
            "Определение целесообразности направления в другую медицинскую организацию",
            "Decide on referral to another organisation",
            True,
            False,
        ),
        Goal("8", "Установление диагноза смерти мозга", "Establish brain death", True, False),
        Goal(
            "9",
            "Решение о медицинском вмешательстве без согласия гражданина, одного из родителей или иного законного "
            "представителя",
            "Decide on an intervention without consent",
            True,
            False,
        ),
        Goal("10", "Решение по иным медицинским вопросам", "Other medical questions (say which)", True, True),
        Goal(
            "11",
            "Решение об оказании паллиативной медицинской помощи взрослым",
            "Decide on palliative care for an adult",
            True,
            True,
        ),
        Goal(
            "12",
            "Медицинский отбор и направление на санаторно-курортное лечение",
            "Select and refer for sanatorium treatment",
            False,
            True,
        ),
        Goal("13", "Экспертиза временной нетрудоспособности", "Assess temporary disability", False, True),
        Goal(
            "14",
            "Экспертиза профессиональной пригодности временно или постоянно непригодным по состоянию здоровья к "
            "выполнению отдельных видов работ",
            "Assess professional fitness",
            False,
            True,
        ),
        Goal(
            "15",
            "Назначение и применение лекарственных препаратов, в том числе не входящих в соответствующий стандарт "
            "медицинской помощи или не предусмотренных соответствующей клинической рекомендацией",
            "Prescribe drugs outside the standard",
            False,
            True,
        ),
        Goal(
            "16",
            "Назначение и применение медицинских изделий, в том числе не входящих в соответствующий стандарт "
            "медицинской помощи или не предусмотренных соответствующей клинической рекомендацией",
            "Prescribe medical devices outside the standard",
            False,
            True,
        ),
        Goal(
            "17",
            "Назначение и применение специализированных продуктов лечебного питания, в том числе не входящих в "
            "соответствующий стандарт медицинской помощи или не предусмотренных соответствующей клинической "
            "рекомендацией",
            "Prescribe clinical nutrition outside the standard",
            False,
            True,
        ),
        Goal(
            "18",
            "Заключение о необходимости трансплантации органа и (или) ткани и о включении пациента в лист ожидания "
            "трансплантации трупного органа и (или) ткани",
            "Conclude on an organ transplant and the waiting list",
            True,
            False,
        ),
        Goal(
            "19",
            "Заключение о необходимости трансплантации костного мозга или гемопоэтических стволовых клеток",
            "Conclude on a bone marrow transplant",
            True,
            False,
        ),
        Goal(
            "20",
            "Заключение по изъятию органов и тканей для трансплантации (пересадки) у живого донора",
            "Conclude on organs of a living donor",
            False,
            True,
        ),
        Goal(
            "21",
            "Отбор пациентов на оказание высокотехнологичной медицинской помощи",
            "Select for high-technology care",
            False,
            True,
        ),
        Goal(
            "22",
            "Отбор пациентов на медицинскую реабилитацию",
            "Select for medical rehabilitation",
            False,
            True,
        ),
        Goal(
            "23",
            "Заключение о нуждаемости ветерана в обеспечении протезами (кроме зубных протезов), "
            "протезно-ортопедическими изделиями",
            "Conclude on prostheses for a veteran",
            False,
            True,
        ),
        Goal(
            "24",
            "Рассмотрение врачебной комиссией федерального учреждения здравоохранения медицинских документов, "
            "представляемых органами исполнительной власти субъектов Российской Федерации в сфере здравоохранения, и "
            "осуществление очной консультации для решения вопроса о внеочередном оказании медицинской помощи",
            "Consider care out of turn at a federal institution",
            False,
            True,
        ),
        Goal("25", "Изменение тактики лечения", "Change the treatment", True, True),
        Goal(
            "26",
            "Определения основания для госпитализации пациента в федеральную медицинскую организацию для оказания "
            "специализированной медицинской помощи",
            "Decide on admission to a federal organisation",
            False,
            True,
        ),
        Goal(
            "27",
            "Направление на медико-социальную экспертизу",
            "Refer for medical and social assessment",
            False,
            True,
        ),
        Goal(
            "28",
            "Отбор пациентов на оказание специализированной медицинской помощи",
            "Select for specialised care",
            False,
            True,
        ),
        Goal("29", "Направление на санаторно-курортное лечение", "Refer to a sanatorium", False, True),
        Goal(
            "30",
            "Определение целесообразности медицинской эвакуации",
            "Decide on medical evacuation",
            True,
            False,
        ),
    )
}
"""11.1506 version 2.9: goals of a consilium (`consultation`) and of a commission (`commission`)."""

OTHER_GOAL = "10"

URGENCIES = _table(
    Term("1", "плановая", "planned"),
    Term("2", "экстренная", "emergency"),
    Term("3", "неотложная", "urgent"),
)
"""11.1551 version 1.1. The numbers are not an order: 2 is the most urgent."""

SEVERITIES = _table(
    Term("1", "Удовлетворительное", "Satisfactory"),
    Term("2", "Средней тяжести", "Moderate"),
    Term("3", "Тяжелое", "Severe"),
    Term("4", "Крайне тяжелое", "Extremely severe"),
    Term("6", "Терминальное", "Terminal"),
    Term("5", "Клиническая смерть", "Clinical death"),
)
"""11.1006 version 2.4, in the order of its own column SORT."""

CARDS = _table(
    Term("1", "Амбулаторная медицинская карта", "Out-patient record"),
    Term("2", "Стационарная медицинская карта", "In-patient record"),
)
"""99.2.723 version 1.1. Its third value, another record, needs a further code and is not offered."""

PAYMENTS = _table(Term("1", "Средства обязательного медицинского страхования", "Compulsory health insurance"))
"""11.1039: the dictionary is published nowhere we could find; this value stands in published samples."""

DIAGNOSIS_KINDS = _table(
    Term("1", "Основное заболевание", "Main disease"),
    Term("2", "Осложнение основного заболевания", "Complication of the main disease"),
    Term("3", "Сопутствующее заболевание", "Concomitant disease"),
    Term("4", "Основное конкурирующее заболевание", "Competing main disease"),
    Term("5", "Внешние причины заболеваемости и смертности", "External causes"),
    Term("6", "Основное фоновое заболевание", "Underlying main disease"),
    Term("7", "Осложнение сопутствующего заболевания", "Complication of a concomitant disease"),
    Term("8", "Основное сочетанное заболевание", "Combined main disease"),
)
"""11.1077 version 2.2."""

CERTAINTIES = _table(
    Term("10", "Клинический диагноз", "Clinical diagnosis"),
    Term("1", "Предварительный клинический диагноз", "Preliminary clinical diagnosis"),
    Term("2", "Этапный клинический диагноз", "Interim clinical diagnosis"),
    Term("3", "Заключительный клинический диагноз", "Final clinical diagnosis"),
)
"""99.2.795 version 3.1 in its order SORT, without those made of the dead and those of a court."""

NATURES = _table(
    Term("3", "Острое", "Acute"),
    Term("1", "Впервые в жизни установленное хроническое", "Chronic, found for the first time"),
    Term("2", "Ранее установленное хроническое", "Chronic, found before"),
)
"""11.1049 version 2.1."""

TREATMENTS = _table(
    Term("1", "Хирургический", "Surgery"),
    Term("2", "Лучевой", "Radiotherapy"),
    Term("41", "Химиотерапия", "Chemotherapy"),
)
"""11.1518: saved nowhere we know; these values stand in published samples (version 2.1)."""

ADVICE = _table(
    Term("medication", "Лекарственные препараты", "Medication"),
    Term("diet", "Питание", "Diet"),
    Term("regime", "Режим", "Regime"),
    Term("other", "Прочее", "Other"),
)
"""Advice that the guides know as "other" alone (RECOTHER): the word each line begins with."""

DEADLINES: dict[str, timedelta] = {
    "1": timedelta(days=10),
    "2": timedelta(hours=2),
    "3": timedelta(hours=24),
}
"""How long the receiver has, from sending (RQ-02). Practice, not law: a table to set (regulation, 1.3)."""

URGENCY_ORDER = ("2", "3", "1")
"""Most urgent first."""

FORMS = _table(Term("1", "Очно", "In person"), Term("2", "Заочно", "In absence"))
"""11.1508 version 1.1: form of the meeting. Video is not a third form but a separate fact."""

SEXES = _table(
    Term("1", "Мужской", "Male"), Term("2", "Женский", "Female"), Term("3", "Неопределенный", "Undetermined")
)
"""11.1040 version 2.1."""

SIGNER_ROLES: dict[str, Term] = {
    "chair": Term("CHAIRMAN", "Председатель", "Chair"),
    "deputy": Term("VICE_CHAIRMAN", "Заместитель председателя", "Deputy chair"),
    "secretary": Term("SECRETARY", "Секретарь", "Secretary"),
    "member": Term("COMMISSIONER", "Член комиссии", "Member"),
    "attending": Term("ATTENDING_PHYSICIAN", "Лечащий врач", "Attending doctor"),
    "consultant": Term("ADVISER", "Консультант", "Consultant"),
    "expert": Term("ADVISER", "Консультант", "Consultant"),
    "observer": Term("PERFORMER", "Исполнитель", "Performer"),
}
"""Seat role -> role of 99.2.368 version 2.8. COMMISSIONER has the synonym "Участник консилиума"."""

REFUSAL_REASONS = _table(
    Term("insufficient_data", "Недостаточно данных", "Not enough data"),
    Term("poor_quality", "Исследования ненадлежащего качества", "Studies of poor quality"),
    Term("not_our_profile", "Не наш профиль", "Not our profile"),
    Term("duplicate", "Повторная заявка", "A duplicate request"),
    Term("other", "Другое", "Other"),
)
"""Reasons seen in working systems (regulation, 1.5); the text beside the code is mandatory."""


def goal_allowed(kind: str, goal_code: str) -> bool:
    """Whether this kind of consilium may be asked for this goal."""
    goal = GOALS.get(goal_code)
    return goal is not None and (goal.commission if kind == "commission" else goal.consultation)


def goals_for(kind: str) -> list[Goal]:
    """Goals that may be chosen for a kind, in the order of their codes."""
    return [goal for goal in GOALS.values() if goal_allowed(kind, goal.code)]
