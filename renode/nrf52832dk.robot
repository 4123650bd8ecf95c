*** Settings ***
Documentation     nRF52-DK (nRF52832): the same image and the same answers as in the emulator. Made by device/renode/files.py.
Library           ${CURDIR}/golden.py

*** Variables ***
# An access by the core that hits no memory, no model and no tag.
${UNKNOWN}        0x[0-9A-Fa-f]+. (Read|Write)[A-Za-z]+ (from|to) non existing peripheral

*** Keywords ***
Power On
    Load Golden               ${CURDIR}/golden.json
    ${script}=                Monitor Path  ${CURDIR}/nrf52832dk.resc
    Execute Command           include @${script}
    Create Log Tester         0
    ${file}=                  New Capture File
    Set Test Variable         ${FILE}  ${file}
    ${capture}=               Monitor Path  ${file}
    Execute Command           sysbus.uart CreateFileBackend @${capture} true
    Execute Command           emulation RunFor "0.05"

Exchange
    [Arguments]               ${name}
    @{bytes}=                 Request Bytes  ${name}
    FOR  ${byte}  IN  @{bytes}
        Execute Command       sysbus.uart WriteChar ${byte}
    END
    Execute Command           emulation RunFor "0.1"
    Reply Should Match        ${name}  ${FILE}

Only Known Addresses
    Should Not Be In Log      ${UNKNOWN}  treatAsRegex=true

*** Test Cases ***
Should Boot And Greet
    Power On
    Exchange                  hello
    Only Known Addresses

Should Classify Golden Scans
    Power On
    Exchange                  hello
    Exchange                  reset
    @{names}=                 Sample Names
    FOR  ${name}  IN  @{names}
        Exchange              ${name}
    END
    Only Known Addresses

Should Report A Corrupted Frame And Recover
    Power On
    Exchange                  reset
    Exchange                  corrupted
    Exchange                  sample 0
    Only Known Addresses
