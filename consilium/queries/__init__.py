"""Questions about what is stored: pages and documents ask here. Nothing in this package changes anything.

Each question takes a `Reader` (a Transaction is one too) and who asks, and checks what he may see: his own
organisation's or his own consilium's; for everything else the answer is NotFound, as if it were absent.
Answers are JSON-ready; where a sentence is due they hold its code, and the page finds the words.

    day.my_day            cases.requests_inbox, request_page, case_journal
    consilia.consilia_list, consilium_page, planning_page, kind_rules, ics
    protocols.protocol_page, frozen_document, pulled_document, package_of, draft_facts
    signing.signing_desk, waiting_protocols, readiness_of
    directory.people_page, bodies_page, open_routes, own_certificates, code_lists
"""
