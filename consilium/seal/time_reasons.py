"""What is said of timestamps and revocation: code -> (Russian, English). `reasons.py` joins them to the rest."""

__all__ = ["TIME_REASONS"]

TIME_REASONS: dict[str, tuple[str, str]] = {
    "TST_OK": ("Метка времени верна.", "The timestamp holds."),
    "TST_FORMAT": (
        "Метка времени не читается.",
        "The timestamp cannot be read: {what}.",
    ),
    "TST_STATUS": (
        "Служба меток времени отказала (состояние {status}, причина {failure}).",
        "The timestamp authority refused (status {status}, failure {failure}).",
    ),
    "TST_IMPRINT": (
        "Метка времени выдана на другие данные.",
        "The timestamp was issued for other data.",
    ),
    "TST_NONCE": (
        "Ответ службы меток времени не относится к нашему запросу.",
        "The timestamp authority's answer does not belong to our request.",
    ),
    "TST_ALGORITHM": (
        "Метка времени сделана недопустимым алгоритмом: {algorithm}.",
        "The timestamp uses an algorithm that is not allowed: {algorithm}.",
    ),
    "TST_NO_CERTIFICATE": (
        "В метке времени нет сертификата выдавшей её службы.",
        "The timestamp lacks the certificate of its authority.",
    ),
    "TST_CERT_REF": (
        "Метка времени ссылается не на тот сертификат службы.",
        "The timestamp refers to another certificate than its authority's.",
    ),
    "TST_EKU": (
        "Сертификат службы меток времени выдан не для меток времени.",
        "The authority's certificate was not issued for timestamps alone.",
    ),
    "TST_SIGNATURE": (
        "Подпись службы меток времени не сходится.",
        "The timestamp authority's signature does not verify.",
    ),
    "TST_TIME": (
        "Время метки {time} не согласуется с ожидаемым {expected}.",
        "The timestamp's time {time} does not agree with the expected {expected}.",
    ),
    "TST_CERT_EXPIRED": (
        "Сертификат службы меток времени не действовал в нужный момент (срок до {until}).",
        "The timestamp authority's certificate was not valid at that moment (valid until {until}).",
    ),
    "TST_UNTRUSTED": (
        "Служба меток времени не входит в число доверенных.",
        "The timestamp authority is not among those this system trusts.",
    ),
    "TST_REVOKED": (
        "Сертификат службы меток времени отозван.",
        "The timestamp authority's certificate has been revoked.",
    ),
    "TST_NO_REVOCATION": (
        "Нет свежих сведений об отзыве сертификата службы меток времени; метка не принята.",
        "There is no current revocation information about the timestamp authority; the timestamp is not accepted.",
    ),
    "TST_CHECK_FAILED": (
        "Проверку метки времени не удалось довести до конца; метка не принята.",
        "The check of the timestamp could not be completed; it is not accepted.",
    ),
    # Authorities outside
    "OUT_HOST": (
        "Адрес не входит в число разрешённых: {url}.",
        "The address is not among the allowed ones: {url}.",
    ),
    "OUT_NAME": ("Имя узла не находится: {url}.", "The host's name cannot be resolved: {url}."),
    "OUT_SILENT": ("Служба не отвечает: {url}.", "The service does not answer: {url}."),
    "OUT_STATUS": (
        "Служба ответила ошибкой {status}: {url}.",
        "The service answered with status {status}: {url}.",
    ),
    "OUT_REDIRECT": (
        "Служба отправляет на другой адрес, туда мы не идём: {url}.",
        "The service redirects elsewhere, which is not followed: {url}.",
    ),
    "OUT_TOO_LARGE": ("Ответ службы слишком велик: {url}.", "The service's answer is too large: {url}."),
    "TST_NOT_SET": (
        "Служба меток времени не задана (CONSILIUM_TIMESTAMP_URLS).",
        "No timestamp authority is set (CONSILIUM_TIMESTAMP_URLS).",
    ),
    # Revocation
    "OCSP_FORMAT": (
        "Ответ службы проверки сертификатов (OCSP) не читается.",
        "The OCSP answer cannot be read: {what}.",
    ),
    "OCSP_STATUS": (
        "Служба проверки сертификатов (OCSP) отказалась отвечать (состояние {status}).",
        "The OCSP responder refused to answer (status {status}).",
    ),
    "OCSP_OTHER": (
        "Ответ службы проверки сертификатов (OCSP) относится к другому сертификату или запросу.",
        "The OCSP answer is about another certificate or request.",
    ),
    "OCSP_SIGNATURE": (
        "Подпись службы проверки сертификатов (OCSP) не сходится.",
        "The OCSP responder's signature does not verify.",
    ),
    "OCSP_RESPONDER": (
        "Ответила не та служба проверки сертификатов (OCSP), которой это поручено.",
        "The OCSP answer comes from a responder that is not entitled to give it.",
    ),
    "OCSP_STALE": (
        "Ответ службы проверки сертификатов (OCSP) устарел (годен до {until}).",
        "The OCSP answer is out of date (good until {until}).",
    ),
    "OCSP_UNKNOWN": (
        "Служба проверки сертификатов (OCSP) не знает этого сертификата.",
        "The OCSP responder does not know this certificate.",
    ),
    "REVOCATION_MISSING": (
        "Нет сведений об отзыве сертификата на нужный момент.",
        "There is no word about the certificate's revocation at the moment needed.",
    ),
    "REVOKED_BEFORE_PROOF": (
        "Сертификат отозван раньше, чем удалось получить метку времени подписи: подпишите заново.",
        "The certificate was revoked before the signature could be timestamped: sign again.",
    ),
}
